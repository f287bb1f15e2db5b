"""What strangers, careless operators and bad days can do to a service: drivers that tests and commands share.

A module of attacks on connections has a few, as functions from a victim to a few words on what the attacker got.
``run`` starts a service for each, alone, with few descriptors if that is the point, and prints a table: ``make
hostile``. With ``SOURCE=DIR`` it runs them against another source tree, for a comparison. The tests run them at a small
scale.
"""
