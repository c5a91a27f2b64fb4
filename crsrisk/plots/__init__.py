"""Charts as matplotlib axes for notebooks, the same ones as SVG for pages, and the small drawings
in tables. Stands on the ground floor: it draws typed numbers and knows nothing of where they come
from.
"""
