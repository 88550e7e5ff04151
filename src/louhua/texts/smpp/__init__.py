"""SMPP 3.4: a protocol core without sockets, and a thin asyncio edge around it.

``pdu`` and ``frames`` are the wire, ``states`` and ``session`` the rules, ``receipts`` and ``status`` what
answers mean; ``messages`` is what the outbox hands over and gets back, ``client`` carries it.
"""
