"""One module for each library, with a class ``Adapter``. Each is only imported in the environment of its library."""
