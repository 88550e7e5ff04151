"""What a caller hears: one dialogue a module, each a coroutine on ``louhua.calls.call.Call``."""
