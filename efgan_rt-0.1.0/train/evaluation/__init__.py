"""The papers' tables: what is edited, what is measured of it, and how it is shown."""
