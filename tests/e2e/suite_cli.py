# SPDX-License-Identifier: Apache-2.0
"""c0x: the command line and the configuration, from outside."""
import subprocess

from brokers import BUILD, NotAvailable, free_port
from harness import eventually, expect, expect_true, test
from rawkafka import Client, make_batch

SLUICE = BUILD / "sluice"


def sluice(*words, timeout=20):
    if not SLUICE.exists():
        raise NotAvailable(f"{SLUICE} is not built")
    return subprocess.run([str(SLUICE), *map(str, words)], capture_output=True, text=True,
                          timeout=timeout, check=False)


@test(brokers=("sluice",))
def c01_version_and_help(env):
    done = sluice("--version")
    expect(done.returncode, 0, "status of --version")
    expect_true("sluice" in done.stdout.lower(), f"--version prints {done.stdout!r}")
    expect_true(sluice("no-such-command").returncode != 0, "an unknown command succeeds")


@test(brokers=("sluice",))
def c02_config_doc_names_every_option(env):
    done = sluice("config", "doc")
    expect(done.returncode, 0, "status of config doc")
    for name in ("node.id", "advertised", "path", "message.max.bytes"):
        expect_true(name in done.stdout, f"{name} is not in config doc")


@test(brokers=("sluice",))
def c03_a_mistake_is_named_with_file_line_and_nearest_key(env):
    conf = env.dir / "bad.conf"
    conf.write_text("[server]\n# a comment\nnode.idd = 3\n")
    for words in (("check", "-c", conf), ("serve", "-c", conf)):
        done = sluice(*words)
        text = done.stdout + done.stderr
        expect_true(done.returncode != 0, f"{words[0]} accepts an unknown key")
        for part in ("bad.conf", "3", "node.idd", "node.id"):
            expect_true(part in text, f"{words[0]}: {part!r} is not in {text!r}")
    for option in ("server.node.id=x", "server.no.such=1", "storage.durability=maybe", "nonsense"):
        done = sluice("serve", "--set", option)
        expect_true(done.returncode != 0, f"--set {option} is accepted")
    conf.write_text("[server]\nnode.id = 3\n")
    expect(sluice("check", "-c", conf).returncode, 0, "check of a good file")


@test(brokers=("sluice",))
def c04_a_file_configures_a_broker(env):
    port = free_port()
    conf = env.dir / "good.conf"
    conf.write_text(f"[server]\nnode.id = 7\nnum.partitions = 5\nauto.create.topics.enable = false\n"
                    f"[listener plain]\naddress = 127.0.0.1:{port}\n"
                    f"advertised = broker.example:9999\n"
                    f"[storage]\npath = {env.dir}/data\n"
                    f"[topic logs-*]\nretention.ms = 5000\n")
    broker = env.own(port=port, start=False)
    broker.command = lambda: [str(SLUICE), "serve", "-c", str(conf)]
    broker.start()
    raw = env.client(broker)
    reply = raw.metadata(["nobody.made.this"], auto_create=True)
    node = reply["brokers"][0]
    expect((node["node_id"], node["host"], node["port"]), (7, "broker.example", 9999), "broker")
    expect(reply["topics"][0]["error"], 3, "a topic although auto-create is off")
    expect(raw.create("logs-a", -1), 0, "create")
    expect(len(raw.wait_ready("logs-a")["partitions"]), 5, "partitions by default")
    configs = raw.call("DescribeConfigs", 2, {"resources": [
        {"resource_type": 2, "resource_name": "logs-a",
         "configuration_keys": ["retention.ms"]}]})["results"][0]["configs"]
    expect(configs[0]["value"], "5000", "retention.ms from [topic logs-*]")


@test(brokers=("sluice",))
def c05_an_address_in_use_is_named(env):
    broker = env.own()
    done = sluice("serve", "--set", f"listener.plain.address={broker.address}",
                  "--set", f"storage.path={env.dir}/other")
    expect_true(done.returncode != 0, "a second broker on the same port")
    expect_true(broker.address in done.stderr + done.stdout, f"no address in {done.stderr!r}")
    with Client(broker.address) as raw:
        expect(raw.call("ApiVersions", 0, {})["error"], 0, "the first broker")


@test(brokers=("sluice",))
def c06_secrets_come_from_environment_and_files(env):
    port = free_port()
    (env.dir / "where").write_text(f"127.0.0.1:{port}\n")
    broker = env.own(port=port, start=False, env={"E2E_DATA": str(env.dir / "fromenv")})
    broker.command = lambda: [
        str(SLUICE), "serve", "--set", f"listener.plain.address=${{file:{env.dir}/where}}",
        "--set", "storage.path=${env:E2E_DATA}"]
    broker.start()
    raw = env.client(broker)
    topic = env.topic(client=raw)
    expect(raw.produce(topic, 0, make_batch([b"x"]))["error"], 0, "produce")
    eventually((env.dir / "fromenv").is_dir, 1, "the data directory")
