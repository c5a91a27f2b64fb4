"""The toy cohort for tests of models; it has no mechanism behind it."""

from tests.toys import *  # noqa: F403
