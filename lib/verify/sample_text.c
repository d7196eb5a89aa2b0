/* SPDX-License-Identifier: Apache-2.0
 *
 * What verify runs when it is given nothing: plain English, written for this program,
 * with the usual mix of words, names, numbers and punctuation.
 */
#include "config.h"

#include "verify/windows.h"

const char i8i_sample_text[] =
    "The lighthouse at the end of the harbour was built in 1874, when most ships still "
    "came in under sail. For the first forty years its lamp burned oil, and two keepers "
    "took turns to carry the cans up the stairs, wind the clockwork that turned the "
    "lens, "
    "and write down the weather. They wrote in a small, careful hand: wind from the "
    "north-west, sea rough, three vessels seen, none in distress. On clear nights the "
    "light could be seen from more than twenty miles away.\n\n"
    "Electric light came in 1921. It was brighter, it needed no cans, and it put one of "
    "the "
    "keepers out of work. The other stayed, because somebody had to clean the glass. \"A "
    "lamp that nobody looks after,\" he used to say, \"is only a lamp that has not "
    "failed "
    "yet.\" He was right more often than the engineers liked. When the cable broke in "
    "the "
    "winter of 1947, he lit the old oil lamp, wound the clockwork by hand, and kept it "
    "going for six days.\n\n"
    "Today the light is switched on and off by a small computer in an office a hundred "
    "miles away. The program is short. It asks the time, looks up when the sun sets, and "
    "compares the two; if it is dark, it closes a relay. Then it waits for a minute and "
    "asks again. When the lamp draws too little current, the program sends a message to "
    "an engineer, who drives out with a spare. This happens about once a year.\n\n"
    "Visitors may climb the tower between April and October, every day except Monday, "
    "from "
    "10:00 to 16:30. There are 138 steps. From the gallery one can see the old fish "
    "market, "
    "the railway bridge, and on the far side of the bay the white houses of the next "
    "town. "
    "People ask the guide the same three questions: how high it is, how old it is, and "
    "whether anyone still lives there. She answers patiently. It is 42 metres high; it "
    "is "
    "older than anyone's grandmother; and no, nobody lives there now, although the "
    "swallows come back every spring and build their nests under the stairs.\n\n"
    "What do such towers teach us? First, that a simple thing which works is worth more "
    "than a clever thing which might. Second, that measuring is not the same as "
    "watching: "
    "the computer knows the current to a thousandth of an ampere, but it did not notice "
    "when a pane of glass cracked. And third, that every machine, however modern, was "
    "somebody's responsibility once, and will be somebody's problem later.\n";
