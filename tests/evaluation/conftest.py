"""The toy cohort for tests of evaluation; it has no mechanism behind it."""

from tests.toys import *  # noqa: F403
