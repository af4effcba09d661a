"""Rules of the domain that need no ctx: what makes a definition sound, how a run may go on."""
