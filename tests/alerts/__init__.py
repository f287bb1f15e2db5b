"""The alerts in ``deploy/prometheus``, tried by Prometheus' own program on metrics that were recorded of real replicas.

``make alerts`` tries them; ``make alerts-record`` records anew, which takes a quarter of an hour.
"""
