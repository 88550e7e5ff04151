"""SIP ``Event: reg`` (RFC 3680): a registrar tells whose phone is registered."""
