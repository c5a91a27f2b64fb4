"""Deciding: who gets prophylaxis, and which trial would show it. The exact statistics stand here."""
