"""Tables of what `benchmarks/serving.py`, `benchmarks/endurance.py`, `chaos.py` and `slow_clients.py` measure."""

from hardware import where


def load(measured, endured):
    """Return the figures of `benchmarks/serving.py` and `benchmarks/endurance.py`."""
    lines = [
        f"| model | requests/s of {measured['clients']} clients, each computed alone | computed together | ratio "
        "| one client: in process | over HTTP |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in measured["models"].items():
        rates, times = found["requests_per_second"], found["one_client_milliseconds"]
        lines.append(
            f"| `{name}` | {rates['alone']:.0f} | {rates['batched']:.0f} | **{found['ratio']}** "
            f"| {times['in_process']} ms | {times['batched']} ms |"
        )
    lines += [
        "",
        where(measured) + ", which server and clients share.",
        f"All models answer {measured['start_seconds']} s after the command.",
        "",
        f"| {endured['minutes']:g} minutes of load | requests | failed | memory after the first minute | at the end |",
        "|---|---|---|---|---|",
        f"| all models, some requests wrong | {endured['answered']:,} | {endured['failed']} "
        f"| {endured['megabytes_after_first_minute']:.0f} MB | {endured['megabytes_at_end']:.0f} MB |",
        f"| one model, {endured['version_switches']} new versions in a minute "
        f"| {endured['answered_while_switching']:,} "
        f"| {endured['failed_while_switching']} | | |",
        "",
        where(endured) + ".",
    ]
    return "\n".join(lines)


def chaos(found):
    """Return the figures of `benchmarks/chaos.py`."""
    quiet, loud = (found["milliseconds"][name] for name in ("quiet", "loud"))
    lines = [
        f"| {found['minutes']:g} minutes of chaos | requests | wrong answers | another status than due |",
        "|---|---|---|---|",
        f"| good | {found['good']:,} | {found['wrong']} | {found['failed']} |",
        f"| bad, huge and large | {found['others']:,} | | {found['unexpected']} |",
        "",
        f"Responses with status 5xx: {found['status_5xx']}.",
        "",
        "| good requests, milliseconds | median | p99 |",
        "|---|---|---|",
        f"| quiet | {quiet['median']} | {quiet['p99']} |",
        f"| chaos | {loud['median']} | {loud['p99']} |",
        "",
        f"Memory: {found['megabytes_after_first_minute']:,.0f} MB in the first minute, at most "
        f"{found['megabytes_at_most']:,.0f} MB, {found['megabytes_at_end']:,.0f} MB at the end; "
        f"{found['versions_changed']} versions came and went. {where(found)}, with a load average from "
        f"{found['load_average'][0]} to {found['load_average'][1]}: other work shared the cores.",
    ]
    return "\n".join(lines)


def slow_clients(found):
    """Return the figures of `benchmarks/slow_clients.py`."""
    names = {"alone": "alone", "beside": "beside 1,364 clients that hold connections"}
    lines = ["| good requests | requests | median | p99 |", "|---|---|---|---|"]
    for key, name in names.items():
        times = found["milliseconds"][key]
        lines.append(f"| {name} | {found['good'][key]:,} | {times['median']} ms | {times['p99']} ms |")
    median, p99 = (
        found["milliseconds"]["beside"][name] / found["milliseconds"]["alone"][name] for name in ("median", "p99")
    )
    return "\n".join(
        [
            *lines,
            "",
            f"Beside them the median is {median:.2f} times as long, the 99th percentile {p99:.2f} times. "
            f"Failed: {found['failed']}. {found['connections']:,} connections and their bodies took "
            f"{found['megabytes_more']:,.0f} MB, of at most {found['megabytes_more_at_most']:,.0f} MB. {where(found)}, "
            "which server, clients and other work shared.",
        ]
    )
