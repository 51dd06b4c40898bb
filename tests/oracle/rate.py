#!/usr/bin/env python3
"""Rates usage by price books with exact fractions: an oracle that shares no code with Bessemer.

  rate.py --cases ORACLE_CASES [--count N] [--seed S]
      asks the program for N random price books with usage and compares, line by line and in
      total: streaming rating = batch rating = this.
  rate.py --statement statement.csv --prices prices.csv
      computes every usage line of an exported statement again from its quantity and the price
      book, prints the totals per currency, and fails when a line differs.
"""
import argparse
import csv
import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime, timezone
from fractions import Fraction

TIME_METERS = {"gpu_time", "cpu_time", "memory_time", "storage_time"}
NANO = 10**9


def half_even(value):
    """The nearest integer; of two equally near ones the even one."""
    floor = value.numerator // value.denominator
    rest = value - floor
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and floor % 2 == 1):
        return floor + 1
    return floor


def nano_of(amount):
    """'12.5 USD' or '12.5' -> nano, exactly."""
    value = Fraction(amount.split(" ")[0]) * NANO
    assert value.denominator == 1, amount
    return value.numerator


def instant(text):
    """RFC 3339 in UTC -> nanoseconds since 1970."""
    whole, _, places = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * NANO + int((places + "0" * 9)[:9])


def month_of(ns):
    """Start and end of the UTC month that holds the moment, in nanoseconds."""
    moment = datetime.fromtimestamp(ns // NANO, timezone.utc)
    first = datetime(moment.year, moment.month, 1, tzinfo=timezone.utc)
    after = datetime(moment.year + moment.month // 12, moment.month % 12 + 1, 1,
                     tzinfo=timezone.utc)
    return int(first.timestamp()) * NANO, int(after.timestamp()) * NANO


def price_for(prices, meter, sku):
    """(nano, currency, per) of exactly this sku, else of the rest of its kind; None: unpriced."""
    rest = "sim-*" if sku.startswith("sim-") else "*"
    return prices.get((meter, sku)) or prices.get((meter, rest))


def lines_of(versions, usages):
    """{(project, meter, sku, version, month): quantity}, cut at months and price versions."""
    quantities = defaultdict(int)
    for usage in usages:
        begin, end = instant(usage["from"]), instant(usage["until"])
        amount, meter = int(usage["amount"]), usage["meter"]

        def version_at(ns):
            in_force = [v for v in versions if v["from"] <= ns]
            return in_force[-1]["id"] if in_force else ""

        def add(at, quantity):
            key = (usage["payer"]["project"], meter, usage["sku"], version_at(at), month_of(at)[0])
            if quantity:
                quantities[key] += quantity

        if meter not in TIME_METERS:
            add(begin, amount)
            continue
        cuts = {begin, end} | {v["from"] for v in versions if begin < v["from"] < end}
        month = month_of(begin)[1]
        while month < end:
            cuts.add(month)
            month = month_of(month)[1]
        ordered = sorted(cuts)
        for left, right in zip(ordered, ordered[1:]):
            add(left, amount * (right - left))
    return quantities


def rate_case(case):
    versions = []
    for version in case["versions"]:
        prices = {(p["meter"], p["sku"]): (nano_of(p["amount"]), p["amount"].split(" ")[1],
                                           int(p["per"])) for p in version["prices"]}
        versions.append({"id": version["id"], "from": instant(version["effective_from"]),
                         "prices": prices})
    versions.sort(key=lambda v: v["from"])
    book = {v["id"]: v["prices"] for v in versions}
    rated = {}
    for key, quantity in lines_of(versions, case["usages"]).items():
        price = price_for(book.get(key[3], {}), key[1], key[2])
        if price is None:
            rated[key] = (quantity, "XXX", 0)
        else:
            nano, currency, per = price
            rated[key] = (quantity, currency, half_even(Fraction(quantity * nano, per)))
    return rated


def as_lines(lines):
    return {(l["project"], l["meter"], l["sku"], l["version"], instant(l["period"])):
            (int(l["quantity"]), l["currency"], int(l["nano"])) for l in lines}


def compare_cases(program, count, seed):
    run = subprocess.Popen([program, "cases", str(count), str(seed)], stdout=subprocess.PIPE)
    seen = lines = unpriced = 0
    for text in run.stdout:
        case = json.loads(text)
        mine = rate_case(case)
        for name in ("streamed", "batched"):
            theirs = as_lines(case[name])
            if theirs != mine:
                for key in sorted(set(mine) | set(theirs)):
                    if mine.get(key) != theirs.get(key):
                        print(f"case {seed + seen}: {name} {key}: {theirs.get(key)}, "
                              f"exactly {mine.get(key)}")
                return 1
        seen += 1
        lines += len(mine)
        unpriced += sum(1 for line in mine.values() if line[1] == "XXX")
    if run.wait() != 0 or seen != count:
        print(f"the program made {seen} cases of {count}")
        return 1
    print(f"{seen} price books, {lines} lines ({unpriced} unpriced): "
          "streaming = batch = oracle")
    return 0


def check_export(statement, prices):
    book = defaultdict(dict)
    with open(prices, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            book[row["version"]][(row["meter"], row["sku"])] = (
                nano_of(row["amount"]), row["currency"], int(row["per"]))
    totals, bad = defaultdict(int), 0
    with open(statement, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            billed = nano_of(row["BilledCost"])
            if row["ChargeCategory"] == "Usage":
                price = price_for(book.get(row["x_PriceVersion"], {}), row["x_Meter"],
                                  row["SkuId"])
                if price is None:
                    expected = (0, "XXX")
                else:
                    nano, currency, per = price
                    expected = (half_even(Fraction(int(row["x_Quantity"]) * nano, per)), currency)
                borne = row.get("x_BorneCost") or ""
                if borne and billed != 0:
                    print(f"{row['ChargeDescription']}: borne by an endpoint and billed too")
                    bad += 1
                found = nano_of(borne) if borne else billed
                if expected != (found, row["BillingCurrency"]):
                    print(f"{row['ChargeDescription']}: billed {found} nano "
                          f"{row['BillingCurrency']}, exactly {expected[0]} {expected[1]}")
                    bad += 1
                if price is None or borne:
                    continue
            totals[row["BillingCurrency"]] += billed
    for currency in sorted(totals):
        sign = "-" if totals[currency] < 0 else ""
        whole, places = divmod(abs(totals[currency]), NANO)
        print(f"{sign}{whole}.{places:09d} {currency}")
    return 1 if bad or not totals else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", metavar="ORACLE_CASES")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--statement")
    parser.add_argument("--prices")
    given = parser.parse_args()
    if given.cases:
        return compare_cases(given.cases, given.count, given.seed)
    if given.statement and given.prices:
        return check_export(given.statement, given.prices)
    parser.error("--cases, or --statement with --prices")
    return 2


if __name__ == "__main__":
    sys.exit(main())
