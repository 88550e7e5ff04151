"""A small mobile network to try Louhua on: an SMSC with handsets that go off and on, SIP phones that call."""
