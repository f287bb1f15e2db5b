"""The incident that the documentation goes through: a customer can upload 5 MB, and should have 500."""

from tests.support.service import RunningService

_LIMIT = "upload_limit_mb"


def have_incident(service: RunningService) -> None:
    """Store the settings, the rules and the slip that the page speaks of."""
    service.add_features("environment", "customer")
    service.declare("banner", type="str", default_value="Welcome")
    service.declare(_LIMIT, default_value=100)
    production = {"environment": "production"}
    acme = {**production, "customer": "acme"}
    _write(service, "POST", "/api/v1/rules", "Ada", "larger%20files", _rule(production, 200))
    _write(service, "POST", "/api/v1/rules", "Ada", "their%20contract", _rule(acme, 500))
    _write(service, "PUT", "/api/v1/rules/2/value", "Bob", "more%20for%20acme", {"value": 5})


def _rule(conditions: dict[str, str], value: int) -> dict[str, object]:
    return {"setting": _LIMIT, "feature_values": conditions, "value": value}


def _write(service: RunningService, method: str, path: str, actor: str, reason: str, body: dict[str, object]) -> None:
    headers = {"Heksher-Actor": actor, "Heksher-Reason": reason}
    service.http.request(method, path, json=body, headers=headers).raise_for_status()
