"""The commands for operators, over an emulator of AWS."""
