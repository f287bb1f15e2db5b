"""What strangers, careless operators and bad days can do to a service: drivers that tests and commands share."""
