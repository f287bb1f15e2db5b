"""Models of the answers about use."""

from pydantic import BaseModel, Field


class SettingUsage(BaseModel):
    """When a setting was last asked for by name, to the hour, and by whom; null if it never was."""

    name: str
    last_used_at: str | None
    last_client: str | None = Field(description="one of the clients that asked for it in that hour")


class UsageAnswer(BaseModel):
    """A page of the settings."""

    since: str | None = Field(
        description="since when no use is missing; null: any may be, so nothing is known as unused"
    )
    settings: list[SettingUsage]
    next_cursor: str | None


class ClientResponse(BaseModel):
    """A client: a process of a program, as far as it says which it is."""

    name: str = Field(description="of the program; empty if the client says nothing")
    version: str | None
    instance: str | None
    user_agent: str
    last_seen_at: str = Field(description="within some minutes")
    revision: int | None = Field(description="of the last answer that it got; null if that is not known")


class ClientsAnswer(BaseModel):
    """A page of the clients that were seen in the last 30 days, at most 10,000 of them."""

    since: str | None = Field(description="since when clients are counted without a gap; null: they are not")
    clients: list[ClientResponse]
    next_cursor: str | None
