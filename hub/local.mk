# SPDX-License-Identifier: Apache-2.0
i8include_HEADERS += lib/int8tool/hub.h lib/int8tool/remote.h
lib_libint8core_la_SOURCES += \
  hub/adapt.c hub/adapt.h \
  hub/api.h \
  hub/cache.c hub/cache.h \
  hub/cache_entry.c \
  hub/cache_listing.c hub/cache_listing.h \
  hub/cache_lock.c hub/cache_lock.h \
  hub/cache_store.c hub/store.h \
  hub/download.c hub/download.h hub/download_engine.h \
  hub/download_fetch.c hub/download_hash.c \
  hub/file_copy.c hub/file_copy.h \
  hub/http.h hub/http_response.c \
  hub/hub_api.c hub/hub_api.h \
  hub/hub_env.c hub/settings.h \
  hub/hub_list.c \
  hub/hub_refusal.c \
  hub/local_store.c \
  hub/part_file.c hub/part_file.h \
  hub/part_journal.c hub/part_journal.h \
  hub/piecemap.c hub/piecemap.h \
  hub/part_claim.c hub/part_claim.h \
  hub/patterns.c hub/patterns.h \
  hub/pull.c hub/pull_state.h \
  hub/pull_answer.c \
  hub/pull_check.c \
  hub/pull_fetch.c \
  hub/pull_listing.c \
  hub/pull_watch.c \
  hub/ranges.c hub/ranges.h \
  hub/read_ahead.c hub/read_ahead.h \
  hub/remote_file.c hub/remote_file.h \
  hub/remote_open.c \
  hub/remote_source.c hub/remote_source.h \
  hub/remote_stream.c hub/remote_stream.h \
  hub/remote_tree.c hub/remote_tree.h \
  hub/repo_id.c hub/repo_id.h \
  hub/resolve.c hub/resolve.h \
  hub/retry.c hub/retry.h \
  hub/selection.c hub/selection.h \
  hub/temp_file.c hub/temp_file.h \
  hub/url_expiry.c hub/url_expiry.h
# The only users of libcurl. Without it, a client that says so.
if HAVE_CURL
lib_libint8core_la_SOURCES += hub/http_curl.c \
  hub/http_transfer.c hub/http_transfer.h \
  hub/url_curl.c
else
lib_libint8core_la_SOURCES += hub/http_none.c
endif
