"""Which clients ask for which settings: counted in memory, stored once a minute, so that no request waits for it."""
