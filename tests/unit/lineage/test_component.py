import dataclasses
from pathlib import Path

from lakehold.components.generated import generate
from lakehold.components.lineage import LINEAGE
from lakehold.components.model import Http, Site
from lakehold.components.openmetadata import BOT
from lakehold.components.openmetadata_tokens import token
from lakehold.config.settings import Settings
from lakehold.lineage import options
from lakehold.lineage.sinks.settings import Catalog, Endpoint, SinkOptions

SITE = Site(
    settings=Settings(),
    checkout=Path("/checkout"),
    state=Path("/state"),
    artifacts={"cytoscape": Path("/store/cytoscape")},
    pythons={"lakehold": Path("/env/bin/python")},
    ports={"postgres": 15432, "lineage": 18090, "objectstore": 17070, "trino": 18443},
    secrets={
        "lineage.token": "the-token-of-lineage",
        "postgres.lineage": "the-password",
        "s3.lineage": "the-s3-key",
        "trino.lineage": "the-login",
    },
)


def test_no_secret_is_on_a_command_line() -> None:
    commands = [LINEAGE.before[0].command(SITE), LINEAGE.processes[0].command(SITE)]
    assert commands[1] == ["/env/bin/python", "-m", "lakehold.lineage.server"]
    for command in commands:
        assert not any(secret in part for secret in SITE.secrets.values() for part in command)


def test_it_listens_on_loopback_and_answers_for_its_health_there() -> None:
    environment = LINEAGE.processes[0].environment(SITE)
    assert environment["LAKEHOLD_LINEAGE_HOST"] == "127.0.0.1"
    assert LINEAGE.processes[0].health(SITE) == Http(url="http://127.0.0.1:18090/health")
    assert "the-password" not in environment["LAKEHOLD_LINEAGE_DATABASE"]


def test_it_reads_a_jdbc_catalog_and_leaves_an_outside_one_alone() -> None:
    environment = LINEAGE.processes[0].environment(SITE)
    assert environment["LAKEHOLD_LINEAGE_CATALOG_DATABASE"] == "host=127.0.0.1 port=15432 dbname=catalog user=lineage"
    assert environment["LAKEHOLD_LINEAGE_S3_SECRET_KEY"] == "the-s3-key"
    outside = Settings.model_validate({"catalog": {"type": "rest", "uri": "https://catalog.example"}})
    environment = LINEAGE.processes[0].environment(dataclasses.replace(SITE, settings=outside))
    assert not [name for name in environment if "CATALOG_DATABASE" in name or "S3" in name or "TRINO" in name]


def test_it_believes_the_users_of_programs_and_those_the_settings_name() -> None:
    assert options.load(LINEAGE.processes[0].environment(SITE)).trusted == {"dbt", "gates", "maintenance"}
    settings = Settings.model_validate({"lineage": {"trusted_users": "etl, reports"}})
    environment = LINEAGE.processes[0].environment(dataclasses.replace(SITE, settings=settings))
    assert options.load(environment).trusted == {"dbt", "gates", "maintenance", "etl", "reports"}
    known = options.source(environment)
    assert known is not None
    assert known.trino is not None
    assert known.trino.trusted == options.load(environment).trusted


def test_its_links_lead_to_where_people_open_airflow() -> None:
    told = {"openmetadata": {"url": "https://om.example", "token_file": "bot"}}
    settings = Settings.model_validate({**told, "airflow": {"url": "https://flows.example/air"}})
    site = dataclasses.replace(SITE, settings=settings, secrets={**SITE.secrets, "openmetadata.token": "a-bot"})
    sinks = options.load_sinks(LINEAGE.processes[0].environment(site))
    assert sinks.openmetadata is not None
    assert sinks.openmetadata.airflow_url == "https://flows.example/air"


def test_it_tells_the_openmetadata_that_is_run_here() -> None:
    settings = Settings.model_validate({"openmetadata": {"home": "om", "search": "http://127.0.0.1:9200"}})
    made = {name: generate(name) for name in ("openmetadata.rsa", "openmetadata.key-id")}
    ports = {**SITE.ports, "openmetadata": 18585, "airflow": 18080}
    site = dataclasses.replace(SITE, settings=settings, secrets={**SITE.secrets, **made}, ports=ports)
    sinks = options.load_sinks(LINEAGE.processes[0].environment(site))
    assert sinks.openmetadata is not None
    assert sinks.openmetadata.endpoint.url == "http://127.0.0.1:18585"
    assert sinks.openmetadata.endpoint.token == token(made["openmetadata.rsa"], made["openmetadata.key-id"], BOT)


def test_it_tells_those_whom_the_settings_name() -> None:
    environment = LINEAGE.processes[0].environment(SITE)
    assert not [name for name in environment if "OPENLINEAGE" in name or "OPENMETADATA" in name]
    settings = Settings.model_validate(
        {
            "openlineage": {"url": "https://marquez.example/api/v1/lineage", "ca_file": "marquez.pem"},
            "openmetadata": {"url": "https://om.example", "token_file": "bot", "service": "flights"},
        }
    )
    secrets = {**SITE.secrets, "openmetadata.token": "a-bot"}
    site = dataclasses.replace(SITE, settings=settings, secrets=secrets, ports={**SITE.ports, "airflow": 18080})
    environment = dict(LINEAGE.processes[0].environment(site))
    assert environment.pop("LAKEHOLD_LINEAGE_OPENLINEAGE_CA") == str(site.checkout / "marquez.pem")
    found = options.load_sinks(environment)
    assert found == SinkOptions(
        openlineage=Endpoint(url="https://marquez.example/api/v1/lineage"),
        openmetadata=Catalog(
            endpoint=Endpoint(url="https://om.example", token="a-bot"),
            service="flights",
            airflow_url="http://127.0.0.1:18080",
        ),
    )
    assert "a-bot" not in repr(found)
