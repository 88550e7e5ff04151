"""The REST API, for other systems: ``/api/v1``."""
