"""The Celery application: an at-least-once doorbell; all state is in the database."""

from typing import Any, Final

from celery import Celery
from kombu.entity import Exchange, Queue

from relayer.errors import SettingsError
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.queues import ASSESS, queues_of
from relayer.telemetry import redacted_text
from relayer.worker.bell import refuse_compressed_messages
from relayer.worker.link import (
    CONNECT_SECONDS,
    SOCKET_LIMITS,
    BrokerError,
    BrokerLink,
    connection_to,
    is_embedded,
)

WORK: Final = "work"
EVENTS: Final = "events.v1"
TASK_SECONDS_MAX: Final = 60
TASK_SECONDS_SOFT: Final = 45
SHUTDOWN_SECONDS: Final = 20
HEARTBEAT_SECONDS: Final = 30
EMBEDDED_POLL_SECONDS: Final = 0.02
EMBEDDED_PREFETCH: Final = 8


def broker_name(settings: Settings, name: str) -> str:
    """Return how a queue or exchange is called on the broker: deployments may share one."""
    return f"{settings.broker_prefix}.{name}"


def create_app(catalog: Catalog, settings: Settings) -> Celery:
    """
    Return the application with a deployment's queues.

    No result backend, no countdown, eta, retry or canvas: delayed work is a row with a time.
    """
    is_memory = is_embedded(settings.broker_url)
    refuse_compressed_messages()
    app = Celery("relayer", broker=settings.broker_url, set_as_current=False)
    app.conf.update(_settings(embedded=is_memory))
    exchange = Exchange(broker_name(settings, WORK), type="topic", durable=True)
    arguments = None if is_memory else {"x-queue-type": "quorum"}
    app.conf.task_queues = tuple(
        Queue(name, exchange, routing_key=name, durable=True, queue_arguments=arguments)
        for name in broker_queues(catalog, settings)
    )
    default = broker_name(settings, ASSESS)
    app.conf.update(
        task_default_queue=default,
        task_default_exchange=exchange.name,
        task_default_exchange_type="topic",
        task_default_routing_key=default,
    )
    return app


def broker_queues(catalog: Catalog, settings: Settings) -> tuple[str, ...]:
    """Return every queue of a deployment as the broker knows it."""
    return tuple(broker_name(settings, name) for name in queues_of(catalog.chain_ids))


def check_broker(url: str) -> None:
    """
    Open and close one connection.

    Raises:
        SettingsError: nobody listens, or who listens refuses; it names the remedy.
    """
    try:
        with BrokerLink(url).producer(is_confirming=False):
            return
    except BrokerError as exc:
        fault = f"{redacted_text(url)}: {redacted_text(exc.detail)}"
        raise SettingsError((f"broker_url: {fault}; {remedy_of(exc.detail)}",)) from exc
    except (KeyError, ImportError, ValueError) as exc:
        raise SettingsError(
            (f"broker_url: {redacted_text(url)} is no broker; use amqp:// or memory://",)
        ) from exc


def remedy_of(detail: str) -> str:
    """Return what helps when a broker cannot be reached: detail names the error's class first."""
    if "AccessRefused" in detail:
        return "correct user and password, or run: rabbitmqctl add_user"
    if "NotAllowed" in detail:
        return "correct the virtual host, or run: rabbitmqctl add_vhost and set_permissions"
    return "start RabbitMQ there, or set broker_url to where it runs"


def remove_queues(catalog: Catalog, settings: Settings) -> None:
    """Delete a deployment's queues and exchanges; nothing is lost, the database has it all."""
    app = create_app(catalog, settings)
    with connection_to(settings.broker_url) as connection, connection.channel() as channel:
        for queue in app.conf.task_queues:
            queue(channel).delete()
        for name in (WORK, EVENTS):
            Exchange(broker_name(settings, name), channel=channel).delete()


def _settings(*, embedded: bool) -> dict[str, Any]:
    # The embedded transport sleeps this long whenever it finds nothing or may take no more.
    transport: dict[str, Any] = {"polling_interval": EMBEDDED_POLL_SECONDS}
    if not embedded:
        transport = {"confirm_publish": True, **SOCKET_LIMITS}
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_create_missing_queues": False,
        "task_time_limit": TASK_SECONDS_MAX,
        "task_soft_time_limit": TASK_SECONDS_SOFT,
        "worker_prefetch_multiplier": EMBEDDED_PREFETCH if embedded else 1,
        # Threads cannot be cancelled. A bell that is delivered twice finds no job to claim.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": SHUTDOWN_SECONDS,
        "worker_max_tasks_per_child": 5_000,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        "broker_heartbeat": 0 if embedded else HEARTBEAT_SECONDS,
        "broker_transport_options": transport,
        "broker_connection_timeout": CONNECT_SECONDS,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "enable_utc": True,
    }
