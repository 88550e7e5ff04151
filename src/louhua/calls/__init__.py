"""Calls from INVITE to BYE: who was called and why, SIP, the voice, and the event at the end."""
