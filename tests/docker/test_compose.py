"""The compose file and what it mounts agree with the Dockerfile, the service and each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from noisevote.service.configuration.settings import Settings
from tests.docker.dockerfile import ROOT, stages

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DASHBOARD = json.loads((ROOT / "docker/grafana/dashboards/votes.json").read_text())
METRICS = dict(
    re.findall(
        r"^\| `(noisevote_\w+)` \| (\w+)", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
)
DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


def filled(text: str) -> str:
    """Return a text with the defaults of its variables."""
    return DEFAULT.sub(r"\1", text)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_read_only_and_without_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service
    assert "privileged" not in service
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", [n for n, service in SERVICES.items() if "build" in service])
def test_images_of_ours_are_built_from_a_stage_of_the_dockerfile(name: str) -> None:
    build = SERVICES[name]["build"]
    assert build["target"] in stages()
    assert (ROOT / build["context"] / build["dockerfile"]).exists()
    declared = {text.partition("=")[0] for text in stages()[f"build-{name}"].texts("ARG")}
    assert set(build.get("args", {})) == declared


@pytest.mark.parametrize("name", [n for n, service in SERVICES.items() if "build" not in service])
def test_images_of_others_have_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+", SERVICES[name]["image"])


def test_only_this_machine_reaches_a_published_port() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(filled(port).startswith("127.0.0.1:") for port in ports)


def test_one_command_starts_several_replicas_behind_the_proxy() -> None:
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"service", "proxy"}
    assert int(filled(SERVICES["service"]["deploy"]["replicas"])) > 1
    assert SERVICES["proxy"]["depends_on"] == {"service": {"condition": "service_healthy"}}
    assert "ports" not in SERVICES["service"]


def test_every_variable_of_the_service_is_a_setting_with_its_default() -> None:
    for name in ("service", "attack"):
        given = SERVICES[name]["environment"].items()
        settings = {key: filled(value) for key, value in given if key.startswith("NOISEVOTE_")}
        assert settings
        for key, value in settings.items():
            field = key.removeprefix("NOISEVOTE_").lower()
            assert field in Settings.model_fields
            if field in {"trusted_proxies", "allowed_hosts"}:  # all come through the proxy
                continue
            assert str(getattr(Settings(), field)).lower() == value


@pytest.mark.parametrize("name", ["service", "attack"])
def test_no_foreign_name_leads_to_the_service(name: str) -> None:
    assert filled(SERVICES[name]["environment"]["NOISEVOTE_ALLOWED_HOSTS"]) == "localhost"


def test_mounted_files_exist_and_volumes_are_declared() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert files
    assert all((ROOT / file).exists() for file in files)
    named = {volume.split(":")[0] for volume in mounted if not volume.startswith("./")}
    assert named == set(COMPOSE["volumes"])


def test_prometheus_asks_every_replica_on_its_port() -> None:
    (job,) = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == {"service", "attack"}
    assert found["port"] == 8000
    assert job["metrics_path"] == "/metrics"
    grafana = ROOT / "docker/grafana/provisioning"
    (source,) = yaml.safe_load((grafana / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert DASHBOARD["panels"][0]["datasource"]["uid"] == source["uid"]


def test_grafana_finds_the_dashboard_where_it_is_mounted() -> None:
    folder = "/etc/noisevote/dashboards"
    provider = ROOT / "docker/grafana/provisioning/dashboards/noisevote.yml"
    assert yaml.safe_load(provider.read_text())["providers"][0]["options"]["path"] == folder
    assert f"./docker/grafana/dashboards:{folder}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "docker/grafana/dashboards" / Path(home).name).exists()


def series() -> dict[str, str]:
    """Return every series that Prometheus makes of the documented metrics, and its metric."""
    found: dict[str, str] = {}
    for metric, kind in METRICS.items():
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found |= {metric + end: metric for end in ends}
    return found


def test_the_dashboard_shows_every_documented_metric_and_no_other() -> None:
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for text in expressions for name in re.findall(r"noisevote_\w+", text)}
    assert used <= set(series())
    shown = {series()[name] for name in used}
    assert set(METRICS) - shown == {"noisevote_request_seconds"}, "health checks are in it, too"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
