#include "vdc/agent/domain_xml.h"

#include <math.h>
#include <string.h>

#define SLOT_ROOT 1
#define SLOT_CHANNEL 2
#define SLOT_RNG 3
#define SCREEN_MEMORY_KIB 16384
#define SLOT_VOLUMES 4
#define SLOT_NICS 16
/* Translated code of one guest under TCG; more does not start faster (measured: 32 to 128 are equal). */
#define TCG_CACHE_MIB 64

G_STATIC_ASSERT (SLOT_VOLUMES + SPEC_VOLUMES_MAX <= SLOT_NICS);
G_STATIC_ASSERT (SLOT_NICS + SPEC_NICS_MAX <= 0x1f); /* 0x1f is the chipset's own */

/* XML 1.0 has no way at all to write most control characters, nor U+FFFE and U+FFFF: they are left out. */
static gboolean
may_be_written (gunichar c)
{
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xd800) || (c >= 0xe000 && c < 0xfffe) ||
           c >= 0x10000;
}

static void
append_text (GString *xml, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);

    for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (!may_be_written (c))
            continue;
        if (c == '&')
            g_string_append (xml, "&amp;");
        else if (c == '<')
            g_string_append (xml, "&lt;");
        else if (c == '>')
            g_string_append (xml, "&gt;");
        else if (c == '\'')
            g_string_append (xml, "&apos;");
        else if (c == '"')
            g_string_append (xml, "&quot;");
        else if (c == '\t' || c == '\n' || c == '\r')
            g_string_append_printf (xml, "&#%u;", c); /* bare, a reader may fold them into blanks */
        else
            g_string_append_unichar (xml, c);
    }
}

/* One line of XML: @format's %s are texts, escaped; %u numbers. Nothing else is understood. */
static void
line (GString *xml, int indent, const char *format, ...)
{
    va_list arguments;

    for (int i = 0; i < indent; i++)
        g_string_append (xml, "  ");
    va_start (arguments, format);
    for (const char *p = format; *p; p++) {
        if (p[0] == '%' && p[1] == 's')
            append_text (xml, va_arg (arguments, const char *));
        else if (p[0] == '%' && p[1] == 'u')
            g_string_append_printf (xml, "%" G_GUINT64_FORMAT, va_arg (arguments, guint64));
        else {
            g_string_append_c (xml, *p);
            continue;
        }
        p++;
    }
    va_end (arguments);
    g_string_append_c (xml, '\n');
}

static void
append_slot (GString *xml, guint slot)
{
    line (xml, 3, "<address type='pci' domain='0' bus='0' slot='%u' function='0'/>", (guint64)slot);
}

static void
append_metadata (GString *xml, const Spec *spec)
{
    /* ASCII only: what XML cannot carry stays an escape of JSON. */
    char *document = json_dumps (spec->document, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    g_autofree char *incarnation = g_strdup_printf ("%" G_GINT64_FORMAT, spec->incarnation);

    line (xml, 1, "<metadata>");
    line (xml, 2,
          "<vdc:member xmlns:vdc='" DOMAIN_NAMESPACE
          "' application='%s' application_id='%s' member='%s' incarnation='%s'>%s</vdc:member>",
          spec->application, spec->application_id, spec->member, incarnation, document);
    line (xml, 1, "</metadata>");
    free (document);
}

static void
append_machine (GString *xml, const Domain *domain)
{
    const Spec *spec = domain->spec;
    gboolean kvm = strcmp (domain->accel, "kvm") == 0;
    guint64 vcpus = (guint64)MAX (1, ceil (spec->cpu));

    line (xml, 1, "<memory unit='KiB'>%u</memory>", spec->memory_bytes / 1024);
    line (xml, 1, "<vcpu placement='static'>%u</vcpu>", vcpus);
    line (xml, 1, "<os>");
    line (xml, 2, "<type arch='x86_64' machine='q35'>hvm</type>");
    if (spec->unmanaged) {
        line (xml, 2, "<boot dev='hd'/>");
    } else {
        line (xml, 2, "<kernel>%s</kernel>", domain->kernel);
        line (xml, 2, "<initrd>%s</initrd>", domain->initrd);
        line (xml, 2, "<cmdline>%s</cmdline>", spec->image_cmdline);
    }
    line (xml, 1, "</os>");
    line (xml, 1, "<features>");
    line (xml, 2, "<acpi/>");
    line (xml, 2, "<apic/>");
    if (!kvm)
        line (xml, 2, "<tcg><tb-cache unit='MiB'>%u</tb-cache></tcg>", (guint64)TCG_CACHE_MIB);
    line (xml, 1, "</features>");
    line (xml, 1, "<cpu mode='%s'/>", kvm ? "host-passthrough" : "maximum");
    line (xml, 1, "<clock offset='utc'/>");
    line (xml, 1, "<on_poweroff>destroy</on_poweroff>");
    /* A guest that reboots or panics is an exit that the controller sees, counts and answers with a new VM.
     */
    line (xml, 1, "<on_reboot>destroy</on_reboot>");
    line (xml, 1, "<on_crash>destroy</on_crash>");
}

static void
append_root (GString *xml, const Domain *domain)
{
    line (xml, 2, "<disk type='file' device='disk'>");
    line (xml, 3,
          "<driver name='qemu' type='qcow2' cache='writeback' discard='unmap' error_policy='enospace'/>");
    line (xml, 3, "<source file='%s'/>", domain->root);
    /* Said here, so that libvirt never guesses a format from bytes that a guest may write. */
    if (domain->root_base != NULL)
        line (xml, 3,
              "<backingStore type='file'><format type='%s'/><source "
              "file='%s'/><backingStore/></backingStore>",
              domain->spec->image_format, domain->root_base);
    else
        line (xml, 3, "<backingStore/>");
    line (xml, 3, "<target dev='vda' bus='virtio'/>");
    line (xml, 3, "<serial>root</serial>");
    append_slot (xml, SLOT_ROOT);
    line (xml, 2, "</disk>");
}

static void
append_volume (GString *xml, const Domain *domain, guint i)
{
    const SpecVolume *volume = &domain->spec->volumes[i];
    const char target[] = {'v', 'd', (char)('b' + i), '\0'};

    line (xml, 2, "<disk type='file' device='disk'>");
    line (xml, 3,
          "<driver name='qemu' type='raw' cache='writeback' discard='unmap' error_policy='enospace'/>");
    line (xml, 3, "<source file='%s'/>", domain->volumes[i]);
    line (xml, 3, "<backingStore/>");
    line (xml, 3, "<target dev='%s' bus='virtio'/>", target);
    if (volume->read_only)
        line (xml, 3, "<readonly/>");
    line (xml, 3, "<serial>%s</serial>", volume->serial);
    append_slot (xml, SLOT_VOLUMES + i);
    line (xml, 2, "</disk>");
}

/* In the slot of the last volume: it is never there beside a seed. */
static void
append_seed (GString *xml, const Domain *domain)
{
    line (xml, 2, "<disk type='file' device='disk'>");
    line (xml, 3, "<driver name='qemu' type='raw' cache='writeback'/>");
    line (xml, 3, "<source file='%s'/>", domain->seed);
    line (xml, 3, "<backingStore/>");
    line (xml, 3, "<target dev='vdz' bus='virtio'/>");
    line (xml, 3, "<readonly/>");
    line (xml, 3, "<serial>seed</serial>");
    append_slot (xml, SLOT_VOLUMES + SPEC_VOLUMES_MAX - 1);
    line (xml, 2, "</disk>");
}

static void
append_nic (GString *xml, const Domain *domain, guint i)
{
    line (xml, 2, "<interface type='ethernet'>");
    line (xml, 3, "<mac address='%s'/>", domain->spec->nics[i].mac);
    line (xml, 3, "<target dev='%s' managed='no'/>", domain->nics[i].tap);
    line (xml, 3, "<model type='virtio'/>");
    line (xml, 3, "<mtu size='%u'/>", (guint64)domain->nics[i].mtu);
    line (xml, 3, "<alias name='ua-%s'/>", domain->spec->nics[i].terminal);
    append_slot (xml, SLOT_NICS + i);
    line (xml, 2, "</interface>");
}

static void
append_serial (GString *xml, const Domain *domain)
{
    /*
     * A socket for people, a file for the record: QEMU itself appends to the log, so nothing is lost while no
     * agent looks; and since it appends, the agent may cut the file short.
     */
    line (xml, 2, "<serial type='unix'>");
    line (xml, 3, "<source mode='bind' path='%s'/>", domain->console);
    line (xml, 3, "<log file='%s' append='on'/>", domain->console_log);
    line (xml, 3, "<target type='isa-serial' port='0'/>");
    line (xml, 2, "</serial>");
}

static void
append_channel (GString *xml, const Domain *domain)
{
    line (xml, 2, "<controller type='virtio-serial' index='0'>");
    append_slot (xml, SLOT_CHANNEL);
    line (xml, 2, "</controller>");
    line (xml, 2, "<channel type='unix'>");
    line (xml, 3, "<source mode='bind' path='%s'/>", domain->channel);
    line (xml, 3, "<target type='virtio' name='org.vdc.guest.0'/>");
    line (xml, 3, "<address type='virtio-serial' controller='0' bus='0' port='1'/>");
    line (xml, 2, "</channel>");
}

/*
 * Plain VGA: every firmware and kernel knows it, and its memory counts only where something is drawn. Any number may
 * look at once, none of them can put out the others.
 */
static void
append_screen (GString *xml, const Domain *domain)
{
    line (xml, 2, "<graphics type='vnc' socket='%s' sharePolicy='force-shared'/>", domain->screen);
    line (xml, 2, "<video>");
    line (xml, 3, "<model type='vga' vram='%u' heads='1' primary='yes'/>", (guint64)SCREEN_MEMORY_KIB);
    line (xml, 3, "<address type='pci' domain='0' bus='0' slot='%u' function='1'/>", (guint64)SLOT_RNG);
    line (xml, 2, "</video>");
}

static void
append_rng (GString *xml, gboolean shares_slot)
{
    line (xml, 2, "<rng model='virtio'>");
    line (xml, 3, "<backend model='random'>/dev/urandom</backend>");
    if (shares_slot)
        line (xml, 3, "<address type='pci' domain='0' bus='0' slot='%u' function='0' multifunction='on'/>",
              (guint64)SLOT_RNG);
    else
        append_slot (xml, SLOT_RNG);
    line (xml, 2, "</rng>");
}

static void
append_devices (GString *xml, const Domain *domain)
{
    line (xml, 1, "<devices>");
    append_root (xml, domain);
    for (guint i = 0; i < domain->spec->n_volumes; i++)
        append_volume (xml, domain, i);
    if (domain->seed != NULL)
        append_seed (xml, domain);
    line (xml, 2, "<controller type='usb' model='none'/>");
    append_serial (xml, domain);
    if (!domain->spec->unmanaged)
        append_channel (xml, domain);
    for (guint i = 0; i < domain->spec->n_nics; i++)
        append_nic (xml, domain, i);
    if (domain->spec->screen)
        append_screen (xml, domain);
    append_rng (xml, domain->spec->screen);
    line (xml, 2, "<memballoon model='none'/>");
    line (xml, 1, "</devices>");
}

char *
domain_xml_write (const Domain *domain)
{
    GString *xml = g_string_new (NULL);

    line (xml, 0, "<domain type='%s'>", strcmp (domain->accel, "kvm") == 0 ? "kvm" : "qemu");
    line (xml, 1, "<name>%s</name>", domain->name);
    line (xml, 1, "<uuid>%s</uuid>", domain->uuid);
    append_metadata (xml, domain->spec);
    append_machine (xml, domain);
    append_devices (xml, domain);
    line (xml, 0, "</domain>");
    return g_string_free (xml, FALSE);
}

char *
domain_name (const char *application_id, const char *member)
{
    return g_strdup_printf ("vdc-%s-%s", application_id, member);
}

char *
domain_uuid (const char *application_id, const char *member)
{
    g_autofree char *name = domain_name (application_id, member);
    g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

    /* The shape of a random (version 4) uuid. */
    return g_strdup_printf ("%.8s-%.4s-4%.3s-8%.3s-%.12s", hash, hash + 8, hash + 12, hash + 15, hash + 18);
}

/* --- reading back ------------------------------------------------------------------------------------------ */

typedef struct {
    DomainMetadata *metadata;
    GString *text;
    gboolean ours;
} Reading;

static void
read_start (GMarkupParseContext *context, const char *element, const char **names, const char **values,
            gpointer user_data, GError **error)
{
    Reading *reading = user_data;
    const char *local = strchr (element, ':') ? strchr (element, ':') + 1 : element;

    if (strcmp (local, "member") != 0 || reading->ours)
        return;
    reading->ours = TRUE;
    for (guint i = 0; names[i] != NULL; i++) {
        if (strcmp (names[i], "application") == 0)
            reading->metadata->application = g_strdup (values[i]);
        else if (strcmp (names[i], "application_id") == 0)
            reading->metadata->application_id = g_strdup (values[i]);
        else if (strcmp (names[i], "member") == 0)
            reading->metadata->member = g_strdup (values[i]);
        else if (strcmp (names[i], "incarnation") == 0)
            reading->metadata->incarnation = g_ascii_strtoll (values[i], NULL, 10);
    }
}

static void
read_text (GMarkupParseContext *context, const char *text, gsize length, gpointer user_data, GError **error)
{
    Reading *reading = user_data;
    if (reading->ours)
        g_string_append_len (reading->text, text, (gssize)length);
}

gboolean
domain_metadata_parse (const char *xml, DomainMetadata *metadata)
{
    static const GMarkupParser parser = {read_start, NULL, read_text, NULL, NULL};
    g_autoptr (GString) text = g_string_new (NULL);
    DomainMetadata found = {NULL};
    Reading reading = {&found, text, FALSE};
    GMarkupParseContext *context = g_markup_parse_context_new (&parser, 0, &reading, NULL);
    gboolean ok = g_markup_parse_context_parse (context, xml, -1, NULL) &&
                  g_markup_parse_context_end_parse (context, NULL);

    g_markup_parse_context_free (context);
    if (ok)
        found.spec = json_parse (text->str, text->len, NULL);
    if (!ok || found.application == NULL || found.application_id == NULL || found.member == NULL) {
        domain_metadata_clear (&found);
        return FALSE;
    }
    *metadata = found;
    return TRUE;
}

void
domain_metadata_clear (DomainMetadata *metadata)
{
    g_clear_pointer (&metadata->application, g_free);
    g_clear_pointer (&metadata->application_id, g_free);
    g_clear_pointer (&metadata->member, g_free);
    g_clear_pointer (&metadata->spec, json_decref);
}
