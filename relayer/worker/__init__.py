"""The Celery application, its queues and its tasks: one task per step."""
