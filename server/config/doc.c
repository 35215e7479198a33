/* SPDX-License-Identifier: Apache-2.0
 *
 * `sluice config doc`: the table for people, as plain text and as the page docs/configuration.md.
 */
#include "config/config_int.h"

#include <sluice/plugin.h>
#include <stdio.h>

static const char intro[] =
    "One file in INI style: `[section]` or `[section NAME]`, `key = value`, and `#` comments at "
    "the "
    "start of a line or after a blank. Pass it with `sluice serve -c FILE`; "
    "`--set section.key=value` (for named sections `--set listener.plain.address=...`) overrides "
    "it, and may be given many times. Without a file every option has its default.\n"
    "\n"
    "Sizes take `B`, `KiB`, `MiB`, `GiB`, `TiB`; durations `ms`, `s`, `m`, `h`, `d`; a bare number "
    "is bytes or milliseconds. `${env:NAME}` and `${file:PATH}` in a value stand for an "
    "environment "
    "variable and for the content of a file; what they give is never printed. `sluice check -c "
    "FILE` "
    "reports every mistake of a file at once.\n";

static void
doc_option_text(FILE *out, const struct config__option *opt)
{
    char allowed[256];
    config__value_allowed(opt, allowed, sizeof(allowed));
    (void)fprintf(out, "  %s = %s\n      %s\n      (%s: %s)\n", opt->key, opt->dflt, opt->help,
                  config__type_name(opt->type), allowed);
}

static void
doc_option_markdown(FILE *out, const struct config__option *opt)
{
    char allowed[256];
    config__value_allowed(opt, allowed, sizeof(allowed));
    (void)fprintf(out, "| `%s` | %s | %s%s%s | %s | %s |\n", opt->key, config__type_name(opt->type),
                  opt->dflt[0] == '\0' ? "" : "`", opt->dflt,
                  opt->dflt[0] == '\0' ? "(empty)" : "`", allowed, opt->help);
}

static void
doc_option(FILE *out, const struct config__option *opt, bool is_markdown)
{
    if (is_markdown) {
        doc_option_markdown(out, opt);
    } else {
        doc_option_text(out, opt);
    }
}

static void
doc_table_head(FILE *out)
{
    (void)fputs("| key | type | default | allowed | what it does |\n"
                "| --- | --- | --- | --- | --- |\n",
                out);
}

/* The keys that the section itself does not have: a plugin may name those, too. */
static void
doc_plugin(FILE *out, const struct config__kind *kind, bool is_markdown,
           const struct config_plugin_keys *plugin)
{
    (void)fprintf(out,
                  is_markdown ? "\nWith `plugin = %s` also:\n\n" : "  with plugin = %s also:\n",
                  plugin->plugin);
    if (is_markdown) {
        doc_table_head(out);
    }
    for (const sluice_conf_key *k = plugin->keys; k->name != NULL; k++) {
        if (config__option_find(kind, k->name) == NULL) {
            struct config__option opt = config__option_of(k);
            doc_option(out, &opt, is_markdown);
        }
    }
}

static void
doc_kind(FILE *out, const struct config__kind *kind, bool is_markdown)
{
    (void)fprintf(out, is_markdown ? "\n## [%s%s%s]\n\n%s\n\n" : "[%s%s%s]\n  %s\n\n", kind->name,
                  kind->arg == NULL ? "" : " ", kind->arg == NULL ? "" : kind->arg, kind->help);
    if (is_markdown) {
        doc_table_head(out);
    }
    for (size_t i = 0; i < kind->count; i++) {
        doc_option(out, &kind->options[i], is_markdown);
    }
}

static void
doc_reserved(FILE *out, bool is_markdown)
{
    (void)fputs(is_markdown ? "\n## Reserved sections\n\n" : "Reserved sections\n", out);
    for (size_t i = 0; i < CONFIG__KINDS; i++) {
        const struct config__kind *kind = &config__kinds[i];
        if (kind->absent != NULL) {
            (void)fprintf(out,
                          is_markdown ? "- `[%s]`: this version has no %s yet.\n"
                                      : "  [%s]: this version has no %s yet.\n",
                          kind->name, kind->absent);
        }
    }
}

void
config_doc(FILE *out, bool is_markdown, const struct config_plugin_keys *plugins,
           size_t plugin_count)
{
    if (is_markdown) {
        (void)fprintf(out,
                      "# Configuration\n\n<!-- Made by `sluice config doc --markdown`; the "
                      "table is server/config/options.h. -->\n\n%s",
                      intro);
    }
    for (const struct config__kind *k = config__kinds; k < config__kinds + CONFIG__KINDS; k++) {
        if (k->absent != NULL) {
            continue;
        }
        doc_kind(out, k, is_markdown);
        for (size_t i = 0; i < plugin_count; i++) {
            if (strcmp(plugins[i].section, k->name) == 0) {
                doc_plugin(out, k, is_markdown, &plugins[i]);
            }
        }
        (void)fputs(is_markdown ? "" : "\n", out);
    }
    doc_reserved(out, is_markdown);
}

void
config_print_changes(const struct config *cfg, FILE *out)
{
    for (const struct config__section *s = cfg->sections->first; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->kind->count; i++) {
            const char *text = s->written[i];
            if (text == NULL) {
                continue;
            }
            bool is_secret = (s->kind->options[i].flags & CONFIG_SECRET) != 0;
            (void)fprintf(out, "%s%s%s.%s = %s\n", s->kind->name, s->arg[0] == '\0' ? "" : ".",
                          s->arg, s->kind->options[i].key, is_secret ? "***" : text);
        }
    }
}
