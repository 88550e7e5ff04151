"""A cashier who works when he is told to, a batch at a time."""

from louhua.charging.cashier import Cashier
from louhua.charging.reservations import State


class StepwiseCashier(Cashier):
    """One whose batches a test asks for one by one."""

    async def reserve_some(self) -> int:
        """Ask for the money of some texts, and let them go or not; how many."""
        asked = await self._claim(State.ASKED)
        if asked:
            await self._reserve(asked)
        return len(asked)

    async def settle_some(self) -> int:
        """Tell what became of some reservations; how many."""
        ended = await self._claim(State.SETTLING)
        if ended:
            await self._settle(ended)
        return len(ended)
