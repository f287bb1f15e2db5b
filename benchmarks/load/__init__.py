"""The service under load: ``make bench-service``. One module for each question that is asked of it."""
