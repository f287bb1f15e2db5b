"""Moving in: takes everything from an existing Heksher service into a database of this one.

``existing_service`` reads over HTTP, in portions, ``intake`` checks each object and says why it cannot be taken,
``moving`` puts the two together with the operations that store.
"""
