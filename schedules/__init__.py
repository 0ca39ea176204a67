"""When assets are made: automation conditions, sensors and schedules."""
