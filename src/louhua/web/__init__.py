"""Django's site: health and metrics now; portal, WAP, console and API later."""
