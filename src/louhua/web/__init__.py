"""Django's site: health, metrics and the REST API now; portal, WAP and console later."""
