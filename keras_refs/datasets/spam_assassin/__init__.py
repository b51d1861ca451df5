"""Is this mail spam? The public mail corpus of SpamAssassin."""
