"""A fleet for which access is switched on while it runs: ``make access-rollout``."""
