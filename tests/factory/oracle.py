"""Rates exported usage by an exported price book, in another language than the factory's.

The rule (one for everything): the quantities of a line are added up; the amount is
quantity x price / per, exact, rounded half to even once, in 10^-9 of the currency.
"""

import decimal
import fractions


def nano(text):
    """("2.50 USD") -> (2500000000, "USD")."""
    number, currency = text.split(" ")
    amount = decimal.Decimal(number).scaleb(9)
    if amount != amount.to_integral_value():
        raise ValueError(f"{text} is finer than 10^-9")
    return int(amount), currency


def price_of(prices, meter, sku):
    """The price of exactly this sku, else of "*", or of "sim-*" when it is simulated."""
    other = "sim-*" if sku.startswith("sim-") else "*"
    for wanted in (sku, other):
        for price in prices:
            if (price["meter"], price["sku"]) == (meter, wanted):
                return price
    return None


def rate(quantity, price):
    """(amount in nano, currency) of an aggregate quantity; Fraction rounds half to even."""
    amount, currency = nano(price["amount"])
    return round(fractions.Fraction(quantity * amount, int(price["per"]))), currency


def totals(lines, prices):
    """{currency: nano} of lines with meter, sku and quantity."""
    sums = {}
    for line in lines:
        price = price_of(prices, line["meter"], line["sku"])
        if price is None:
            raise ValueError(f"no price for {line['meter']} of {line['sku']}")
        amount, currency = rate(int(line["quantity"]), price)
        sums[currency] = sums.get(currency, 0) + amount
    return sums
