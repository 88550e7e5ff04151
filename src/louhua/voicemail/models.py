"""Recorded messages: who left which for whom. The sound is in the bus's object store."""

from typing import ClassVar

from django.db import models


class Message(models.Model):
    """A message that a caller left."""

    call_id = models.CharField(max_length=64, primary_key=True)
    callee = models.CharField(max_length=20)
    caller = models.CharField(max_length=20, blank=True)
    recording = models.CharField(max_length=100, help_text="name in the object store")
    length_ms = models.PositiveIntegerField()
    left_at = models.DateTimeField()

    class Meta:
        """A callee's messages, newest first, are what is asked for."""

        indexes: ClassVar = [models.Index(fields=["callee", "-left_at"], name="message_callee")]

    def __str__(self) -> str:
        return self.call_id
