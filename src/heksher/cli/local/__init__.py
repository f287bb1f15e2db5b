"""The commands on the machine of a service: they run it, or work on its database. They need ``heksher[server]``."""
