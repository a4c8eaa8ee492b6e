"""The Celery application: its settings, its queues on the broker, and what it refuses."""

from typing import Any

import pytest
from kombu.connection import Connection

from relayer.errors import SettingsError
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.worker.app import broker_queues, check_broker, create_app, remove_queues
from tests.relayer.worker.kit import MEMORY_URL, RABBITMQ_URL, worker_settings

URL = "sqlite:///unused.sqlite3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", True),
        ("task_ignore_result", True),
        ("result_backend", None),
        ("accept_content", ["json"]),
        ("worker_prefetch_multiplier", 1),
        ("worker_soft_shutdown_timeout", 20),
        ("task_time_limit", 60),
        ("task_soft_time_limit", 45),
        ("broker_heartbeat", 30),
        ("broker_connection_retry_on_startup", True),
        ("broker_connection_max_retries", None),
        ("task_create_missing_queues", False),
        ("worker_hijack_root_logger", False),
        ("worker_redirect_stdouts", False),
        ("worker_send_task_events", False),
        ("worker_enable_remote_control", False),
    ],
)
def test_the_settings_are_those_of_a_doorbell(catalog: Catalog, name: str, value: Any) -> None:
    """Late acknowledgement, no results, no pickles, no queues out of thin air."""
    app = create_app(catalog, worker_settings(URL, RABBITMQ_URL, "test"))

    assert app.conf[name] == value


def test_publishing_to_rabbitmq_is_confirmed(catalog: Catalog) -> None:
    """The embedded broker has nobody who could confirm."""
    fleet = create_app(catalog, worker_settings(URL, RABBITMQ_URL, "test"))
    embedded = create_app(catalog, worker_settings(URL, MEMORY_URL, "test"))

    assert fleet.conf.broker_transport_options["confirm_publish"] is True
    assert "confirm_publish" not in embedded.conf.broker_transport_options


def test_every_queue_is_a_quorum_queue_of_the_deployment(catalog: Catalog) -> None:
    """Durable, replicated, on one topic exchange, under the deployment's prefix."""
    app = create_app(catalog, worker_settings(URL, RABBITMQ_URL, "mine"))

    for queue in app.conf.task_queues:
        assert queue.name.startswith("mine.")
        assert queue.durable
        assert queue.queue_arguments == {"x-queue-type": "quorum"}
        assert (queue.exchange.name, queue.exchange.type) == ("mine.work", "topic")


def test_two_deployments_share_a_broker_without_sharing_a_queue(catalog: Catalog) -> None:
    """The prefix is in every name."""
    names = [
        set(broker_queues(catalog, worker_settings(URL, RABBITMQ_URL, prefix)))
        for prefix in ("one", "two")
    ]

    assert names[0].isdisjoint(names[1])


@pytest.mark.services
def test_removed_queues_are_gone(catalog: Catalog, rabbitmq_settings: Settings) -> None:
    """A demo leaves nothing behind on a broker of the user's."""
    app = create_app(catalog, rabbitmq_settings)
    names = broker_queues(catalog, rabbitmq_settings)
    with Connection(rabbitmq_settings.broker_url) as connection:
        for queue in app.conf.task_queues:
            queue(connection.default_channel).declare()

    remove_queues(catalog, rabbitmq_settings)
    remove_queues(catalog, rabbitmq_settings)  # twice does not harm

    for name in names:
        with Connection(rabbitmq_settings.broker_url) as connection:
            with pytest.raises(connection.channel_errors) as refused:
                connection.default_channel.queue_declare(name, passive=True)
            assert "NOT_FOUND" in str(refused.value)


@pytest.mark.services
def test_a_broker_that_answers_is_accepted(rabbitmq_url: str) -> None:
    """Nothing is declared, the connection is closed again."""
    check_broker(rabbitmq_url)


def test_the_embedded_broker_is_always_there() -> None:
    """It is a part of the process."""
    check_broker(MEMORY_URL)


def test_a_broker_that_is_away_is_named_with_the_remedy() -> None:
    """The URL's password is not shown."""
    with pytest.raises(SettingsError, match="start RabbitMQ") as refused:
        check_broker("amqp://guest:secret-word@127.0.0.1:1//")

    assert "secret-word" not in str(refused.value)


@pytest.mark.services
@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("amqp://guest:wrong-word@127.0.0.1:5672//", "add_user"),
        ("amqp://guest:guest@127.0.0.1:5672/nowhere", "add_vhost"),
    ],
)
def test_a_broker_that_refuses_is_named_with_the_remedy(
    rabbitmq_url: str, url: str, remedy: str
) -> None:
    """A wrong password and a missing virtual host have different remedies."""
    with pytest.raises(SettingsError, match=remedy) as refused:
        check_broker(url)

    assert "wrong-word" not in str(refused.value)


def test_a_url_of_no_broker_is_refused() -> None:
    """A slip in the scheme."""
    with pytest.raises(SettingsError, match="amqp://"):
        check_broker("ampq://guest:guest@127.0.0.1:5672//")
