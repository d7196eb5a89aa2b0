# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += docs/remote-models.md
EXTRA_DIST += docs/architecture.md docs/engine.md docs/parity.md
EXTRA_DIST += docs/planning.md docs/device-map.md docs/measurements.md
EXTRA_DIST += docs/hub.md docs/shard-format.md
EXTRA_DIST += docs/plan.svg
EXTRA_DIST += docs/many-machines.md
