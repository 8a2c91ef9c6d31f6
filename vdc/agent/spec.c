#include "vdc/agent/spec.h"

#include "vdc/base/error.h"
#include "vdc/base/id.h"
#include "vdc/model/property.h"

#include <arpa/inet.h>
#include <string.h>

#define MEMORY_MIN_BYTES ((guint64)32 << 20)
#define MEMBER_MAX 128
#define SERIAL_MAX 20
#define CMDLINE_MAX 2048

static gboolean
invalid (GError **error, const char *where, const char *rule)
{
    g_set_error (error, VDC_ERROR, VDC_ERROR_INVALID, "spec: %s must be %s", where, rule);
    return FALSE;
}

static gboolean
is_number (const char *text)
{
    gsize length = strlen (text);
    return length >= 1 && length <= 4 && text[0] != '0' && strspn (text, "0123456789") == length;
}

gboolean
spec_is_member (const char *text)
{
    if (text == NULL || strnlen (text, MEMBER_MAX + 1) > MEMBER_MAX)
        return FALSE;
    g_auto (GStrv) parts = g_strsplit (text, ".", -1);
    if (parts[0] == NULL || !id_is_name (parts[0]))
        return FALSE;
    for (guint i = 1; parts[i] != NULL; i++)
        if (!id_is_name (parts[i]) && !is_number (parts[i]))
            return FALSE;
    return TRUE;
}

static gboolean
is_hex (const char *text, gsize length)
{
    return text != NULL && strlen (text) == length && strspn (text, "0123456789abcdef") == length;
}

static gboolean
is_application_id (const char *text)
{
    gsize length = strlen (text);
    return length >= 1 && length <= 32 && is_hex (text, length);
}

gboolean
spec_is_volume_id (const char *text)
{
    return is_hex (text, 16);
}

/* A file beside the class image: one name, no folder. */
static gboolean
is_file_name (const char *text)
{
    if (text == NULL || *text == '\0' || *text == '.' || strlen (text) > 64)
        return FALSE;
    for (const char *c = text; *c; c++)
        if (!g_ascii_isalnum (*c) && strchr ("._-", *c) == NULL)
            return FALSE;
    return TRUE;
}

static gboolean
is_mac (const char *text)
{
    if (text == NULL || strlen (text) != 17)
        return FALSE;
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit (text[i]))
            return FALSE;
    return TRUE;
}

static gboolean
is_ipv4 (const char *text)
{
    struct in_addr address;
    return text != NULL && inet_pton (AF_INET, text, &address) == 1;
}

/* Text that goes into XML and onto kernel command lines: printable ASCII only. */
static gboolean
is_plain (const char *text, gsize max)
{
    if (text == NULL || strlen (text) > max)
        return FALSE;
    for (const char *c = text; *c; c++)
        if (!g_ascii_isprint (*c))
            return FALSE;
    return TRUE;
}

static gboolean
parse_image (Spec *spec, const json_t *image, GError **error)
{
    const char *digest = json_str (image, "digest", "");
    const char *format = json_str (image, "format", "qcow2");

    if (!g_str_has_prefix (digest, "sha256:") || !is_hex (digest + 7, 64))
        return invalid (error, "image.digest", "\"sha256:\" and 64 hex digits");
    if (strcmp (format, "qcow2") != 0 && strcmp (format, "raw") != 0)
        return invalid (error, "image.format", "qcow2 or raw");
    spec->image_format = g_strdup (format);
    spec->image_digest = g_strdup (digest + 7);
    spec->image_root = g_strdup (json_str (image, "root", "root.qcow2"));
    spec->image_kernel = g_strdup (json_str (image, "kernel", "vmlinuz"));
    spec->image_initrd = g_strdup (json_str (image, "initrd", "initrd"));
    spec->image_cmdline = g_strdup (json_str (image, "cmdline", ""));
    if (!is_file_name (spec->image_root) || !is_file_name (spec->image_kernel) ||
        !is_file_name (spec->image_initrd))
        return invalid (error, "image.root, kernel and initrd", "plain file names");
    if (!is_plain (spec->image_cmdline, CMDLINE_MAX))
        return invalid (error, "image.cmdline", "printable ASCII of at most 2048 bytes");
    return TRUE;
}

static gboolean
parse_resources (Spec *spec, const json_t *resources, GError **error)
{
    gint64 memory = json_int (resources, "memory_bytes", 0);
    gint64 network = json_int (resources, "network_bps", 0);

    spec->cpu = json_num (resources, "cpu", 0);
    spec->cpu_cap = json_bool (resources, "cpu_cap", FALSE);
    if (!(spec->cpu >= 0.01 && spec->cpu <= 256))
        return invalid (error, "resources.cpu", "0.01 to 256 cores");
    if (memory < (gint64)MEMORY_MIN_BYTES)
        return invalid (error, "resources.memory_bytes", "at least 32 MiB");
    if (network < 0)
        return invalid (error, "resources.network_bps", "0 (no limit) or more");
    spec->memory_bytes = (guint64)memory;
    spec->network_bps = (guint64)network;
    return TRUE;
}

static gboolean
parse_nic (SpecNic *nic, const json_t *item, GError **error)
{
    const char *side = json_str (item, "side", "");

    nic->terminal = g_strdup (json_str (item, "terminal", ""));
    nic->mac = g_ascii_strdown (json_str (item, "mac", ""), -1);
    nic->address = g_strdup (json_str (item, "address", ""));
    if (!id_is_terminal (nic->terminal))
        return invalid (error, "nics.terminal", id_terminal_rule ());
    if (!is_mac (nic->mac))
        return invalid (error, "nics.mac", "six hex pairs joined by ':'");
    if (!is_ipv4 (nic->address))
        return invalid (error, "nics.address", "an IPv4 address");
    if (strcmp (side, "input") == 0)
        nic->side = NIC_INPUT;
    else if (strcmp (side, "output") == 0)
        nic->side = NIC_OUTPUT;
    else if (strcmp (side, "outside") == 0)
        nic->side = NIC_OUTSIDE;
    else
        return invalid (error, "nics.side", "input, output or outside");
    return TRUE;
}

static gboolean
parse_nics (Spec *spec, const json_t *nics, GError **error)
{
    gsize count = json_array_size (nics);

    if (count > SPEC_NICS_MAX)
        return invalid (error, "nics", "at most 15");
    spec->nics = g_new0 (SpecNic, count + 1);
    for (gsize i = 0; i < count; i++) {
        spec->n_nics++;
        if (!parse_nic (&spec->nics[i], json_array_get (nics, i), error))
            return FALSE;
        for (gsize j = 0; j < i; j++)
            if (strcmp (spec->nics[i].terminal, spec->nics[j].terminal) == 0)
                return invalid (error, "nics.terminal", "different for each NIC");
    }
    return TRUE;
}

static gboolean
parse_volume (SpecVolume *volume, const json_t *item, GError **error)
{
    gint64 size = json_int (item, "size_bytes", 0);

    volume->slot = g_strdup (json_str (item, "slot", ""));
    volume->id = g_strdup (json_str (item, "id", ""));
    volume->name = g_strdup (json_str (item, "name", ""));
    volume->serial = g_strdup (json_str (item, "serial", ""));
    volume->read_only = json_bool (item, "read_only", FALSE);
    volume->size_bytes = (guint64)MAX (size, 0);
    if (!id_is_terminal (volume->slot))
        return invalid (error, "volumes.slot", id_terminal_rule ());
    if (!spec_is_volume_id (volume->id))
        return invalid (error, "volumes.id", "16 hex digits");
    if (*volume->serial == '\0' || !is_file_name (volume->serial) || strlen (volume->serial) > SERIAL_MAX)
        return invalid (error, "volumes.serial", "1 to 20 letters, digits, '.', '_' and '-'");
    if (size < 0 || size % 512 != 0)
        return invalid (error, "volumes.size_bytes", "a multiple of 512");
    return TRUE;
}

static gboolean
parse_volumes (Spec *spec, const json_t *volumes, GError **error)
{
    gsize count = json_array_size (volumes);

    if (count > SPEC_VOLUMES_MAX)
        return invalid (error, "volumes", "at most 12");
    if (spec->unmanaged && count >= SPEC_VOLUMES_MAX)
        return invalid (error, "volumes", "at most 11 beside a seed");
    spec->volumes = g_new0 (SpecVolume, count + 1);
    for (gsize i = 0; i < count; i++) {
        spec->n_volumes++;
        if (!parse_volume (&spec->volumes[i], json_array_get (volumes, i), error))
            return FALSE;
        for (gsize j = 0; j < i; j++)
            if (strcmp (spec->volumes[i].slot, spec->volumes[j].slot) == 0 ||
                strcmp (spec->volumes[i].id, spec->volumes[j].id) == 0 ||
                strcmp (spec->volumes[i].serial, spec->volumes[j].serial) == 0)
                return invalid (error, "volumes.slot, id and serial", "different for each volume");
    }
    return TRUE;
}

static gboolean
parse_names (Spec *spec, const json_t *document, GError **error)
{
    spec->application = g_strdup (json_str (document, "application", ""));
    spec->application_id = g_strdup (json_str (document, "application_id", ""));
    spec->member = g_strdup (json_str (document, "member", ""));
    spec->key = g_strconcat (spec->application, "/", spec->member, NULL);
    spec->operation = g_strdup (json_str (document, "operation", ""));
    if (!id_is_name (spec->application))
        return invalid (error, "application", id_name_rule ());
    if (!is_application_id (spec->application_id))
        return invalid (error, "application_id", "1 to 32 hex digits");
    if (!spec_is_member (spec->member))
        return invalid (error, "member", "names and numbers joined by '.'");
    return TRUE;
}

static gboolean
parse (Spec *spec, const json_t *document, GError **error)
{
    const char *power = json_str (document, "power", "");

    if (!json_is_object (document))
        return invalid (error, "the body", "a JSON object");
    if (!parse_names (spec, document, error))
        return FALSE;
    if (strcmp (power, "on") != 0 && strcmp (power, "off") != 0)
        return invalid (error, "power", "\"on\" or \"off\"");
    spec->power = strcmp (power, "on") == 0;
    spec->screen = json_bool (document, "screen", FALSE);
    spec->unmanaged = json_bool (document, "unmanaged", FALSE);
    spec->generation = json_int (document, "generation", 0);
    spec->incarnation = json_int (document, "incarnation", 0);
    spec->root_epoch = json_int (document, "root_epoch", 0);
    spec->start_timeout_s = (guint)CLAMP (json_int (document, "start_timeout_s", 180), 1, 86400);
    spec->stop_timeout_s = (guint)CLAMP (json_int (document, "stop_timeout_s", 30), 0, 86400);
    return parse_image (spec, json_object_get (document, "image"), error) &&
           parse_resources (spec, json_object_get (document, "resources"), error) &&
           parse_nics (spec, json_object_get (document, "nics"), error) &&
           parse_volumes (spec, json_object_get (document, "volumes"), error);
}

Spec *
spec_new (json_t *document, const char *application, const char *member, GError **error)
{
    g_autoptr (Spec) spec = g_new0 (Spec, 1);

    spec->references = 1;
    spec->document = json_copy (document);
    spec->secrets = json_incref (json_object_get (document, "secrets"));
    if (json_is_object (spec->document))
        json_object_del (spec->document, "secrets");
    if (!parse (spec, document, error))
        return NULL;
    if ((application != NULL && strcmp (application, spec->application) != 0) ||
        (member != NULL && strcmp (member, spec->member) != 0)) {
        invalid (error, "application and member", "the ones of the path");
        return NULL;
    }
    return g_steal_pointer (&spec);
}

Spec *
spec_ref (Spec *spec)
{
    g_atomic_int_inc (&spec->references);
    return spec;
}

static void
free_parts (Spec *spec)
{
    for (guint i = 0; i < spec->n_nics; i++) {
        g_free (spec->nics[i].terminal);
        g_free (spec->nics[i].mac);
        g_free (spec->nics[i].address);
    }
    g_free (spec->nics);
    for (guint i = 0; i < spec->n_volumes; i++) {
        g_free (spec->volumes[i].slot);
        g_free (spec->volumes[i].id);
        g_free (spec->volumes[i].name);
        g_free (spec->volumes[i].serial);
    }
    g_free (spec->volumes);
}

void
spec_unref (Spec *spec)
{
    if (spec == NULL || !g_atomic_int_dec_and_test (&spec->references))
        return;
    free_parts (spec);
    json_decref (spec->document);
    json_decref (spec->secrets);
    g_free (spec->application);
    g_free (spec->application_id);
    g_free (spec->member);
    g_free (spec->key);
    g_free (spec->operation);
    g_free (spec->image_digest);
    g_free (spec->image_root);
    g_free (spec->image_kernel);
    g_free (spec->image_initrd);
    g_free (spec->image_cmdline);
    g_free (spec->image_format);
    g_free (spec);
}

json_t *
spec_nics (const Spec *spec)
{
    return json_object_get (spec->document, "nics");
}

json_t *
spec_guest (const Spec *spec)
{
    return json_object_get (spec->document, "guest");
}

gboolean
spec_is_seal (const char *text)
{
    return text != NULL && g_str_has_prefix (text, SECRET_SEALED_PREFIX);
}

gboolean
spec_is_whole (const Spec *spec)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get (spec_guest (spec), "properties"), key, value)
        if (spec_is_seal (json_string_value (value)) &&
            json_object_get (spec->secrets, json_string_value (value)) == NULL)
            return FALSE;
    return TRUE;
}

gboolean
spec_same_wires (const Spec *a, const Spec *b)
{
    return a->network_bps == b->network_bps && json_equal (spec_nics (a), spec_nics (b));
}
