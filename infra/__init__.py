"""What Chalice cannot express, how it becomes a template, and how that is checked."""
