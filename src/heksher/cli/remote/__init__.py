"""The commands that ask a service over HTTP. They need ``heksher[cli]``, and import nothing of the service.

Each command reads its arguments, asks once or a few times, and writes what was answered: as JSON, which is the answer
of the API, or for people. ``service`` is the only way out, ``exit_status`` says what each status means.
"""
