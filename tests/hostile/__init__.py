"""The service in hostile hands and on bad days: drivers that tests and tables of figures share."""
