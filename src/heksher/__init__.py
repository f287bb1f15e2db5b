"""Settings whose values depend on context, read from memory."""
