"""The settings of the service, API keys among them, and where they are read from."""
