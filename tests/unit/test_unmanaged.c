/* What an appliance without vdc-guest is given and asked: seed, probe's rules, frames. */
#include <string.h>

#include "vdc/agent/iso_image.h"
#include "vdc/agent/probe_frame.h"
#include "vdc/agent/seed.h"
#include "vdc/agent/wire_probe.h"
#include "vdc/agent/wire_rules.h"

static const char spec_text[] =
    "{'application':'shop','application_id':'0a0b','member':'web.1','class':'PAGE','unmanaged':true,'"
    "operation':'',"
    "'generation':1,'power':'on','incarnation':1,'root_epoch':1,'image':{'digest':'sha256:%s','root':'root."
    "raw',"
    "'format':'raw'},'resources':{'cpu':1,'memory_bytes':134217728,'network_bps':0},'volumes':[],"
    "'nics':[{'terminal':'db','side':'output','mac':'02:00:00:00:00:02','address':'100.64.0.6','aliases':[],"
    "'segment':'db.in','rules':[{'wire':'web.db->db.in','role':'client','peer':'db','local_address':'100.64."
    "0.6',"
    "'peer_address':'100.64.0.9','peer_mac':'02:00:00:00:00:09','ports':[{'proto':'tcp','from':3306,'to':"
    "3306}],"
    "'any':false,'gateway':false}]},{'terminal':'in','side':'input','mac':'02:00:00:00:00:01','address':'100."
    "64.0.5',"
    "'aliases':[],'segment':'web.in','rules':[{'wire':'in.out->web.in','role':'server','peer':'in','local_"
    "address':"
    "'100.64.0.5','peer_address':'100.64.0.2','peer_mac':'02:00:00:00:00:22','ports':[{'proto':'tcp','from':"
    "80,'to':80}],"
    "'any':false,'gateway':false}]}],"
    "'guest':{'hostname':'web-1','revision':3,'go':true,'names':{'db':['100.64.0.9'],'in':['100.64.0.5']},'"
    "gateway':null,"
    "'properties':{'ssh_key':'ssh-ed25519 AAAA me'},'volumes':[],'nics':["
    "{'terminal':'db','mac':'02:00:00:00:00:02','address':'100.64.0.6','aliases':[],'routes':[{'to':'100.64."
    "0.9',"
    "'source':'100.64.0.6'}]},{'terminal':'in','mac':'02:00:00:00:00:01','address':'100.64.0.5','aliases':[],"
    "'routes':[{'to':'100.64.0.2','source':'100.64.0.5'}]}]}}";

static Spec *
make_spec (const char *from, const char *to)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *zeros = g_strnfill (64, '0'), *plain = g_strdup_printf (spec_text, zeros);
    g_strdelimit (plain, "'", '"');
    g_autoptr (GString) text = g_string_new (plain);
    if (from != NULL)
        g_assert_cmpuint (g_string_replace (text, from, to, 0), >, 0);
    g_autoptr (json_t) document = json_parse (text->str, text->len, &error);
    g_assert_no_error (error);
    Spec *spec = spec_new (document, NULL, NULL, &error);
    g_assert_no_error (error);
    return spec;
}

static void
has (const char *text, const char *words)
{
    if (strstr (text, words) == NULL)
        g_error ("'%s' is not in\n%s", words, text);
}

static void
test_seed (void)
{
    g_autoptr (Spec) spec = make_spec (NULL, NULL);
    g_autofree char *network = seed_text (spec, 1450, "network-config"),
                    *user = seed_text (spec, 1450, "user-data");
    g_autofree char *meta = seed_text (spec, 1450, "meta-data");

    /* The input has all inner addresses on its link: its clients may change. The output has its server. */
    has (network, "\"in\":{\"accept-ra\":false,\"addresses\":[\"100.64.0.5/10\"]");
    has (network, "\"addresses\":[\"100.64.0.6/32\"]");
    has (network, "{\"on-link\":true,\"to\":\"100.64.0.9/32\",\"via\":\"100.64.0.9\"}");
    has (network, "\"match\":{\"macaddress\":\"02:00:00:00:00:01\"}");
    has (network, "\"mtu\":1450");
    has (user, "\"ssh_authorized_keys\":[\"ssh-ed25519 AAAA me\"]");
    has (user, "100.64.0.9 db # vdc");
    has (meta, "\"local-hostname\":\"web-1\"");
    g_assert_true (g_str_has_prefix (user, "#cloud-config\n"));

    /* Other addresses are another instance to cloud-init; other names, set at each boot, are not. */
    g_autoptr (Spec) moved = make_spec ("100.64.0.6", "100.64.0.7");
    g_autoptr (Spec) named = make_spec ("{\"db\":[", "{\"dc\":[");
    g_autofree char *meta_moved = seed_text (moved, 1450, "meta-data"),
                    *meta_named = seed_text (named, 1450, "meta-data");
    g_assert_cmpstr (meta, !=, meta_moved);
    g_assert_cmpstr (meta, ==, meta_named);
}

static guint32
little (const guint8 *at)
{
    return at[0] | (guint32)at[1] << 8 | (guint32)at[2] << 16 | (guint32)at[3] << 24;
}

/* Read as a kernel does: from the descriptor to the root folder to the file. */
static char *
iso_read (GBytes *image, const char *name)
{
    gsize length;
    const guint8 *data = g_bytes_get_data (image, &length), *root = data + 16 * 2048 + 156;
    g_assert_cmpmem (data + 16 * 2048 + 1, 5, "CD001", 5);
    g_assert_cmpuint (little (data + 16 * 2048 + 80), ==, length / 2048);
    const guint8 *at = data + (gsize)little (root + 2) * 2048, *end = at + little (root + 10);
    for (; at < end && at[0] != 0; at += at[0]) {
        g_autofree char *found = g_strndup ((const char *)at + 33, at[32]);
        g_autofree char *wanted = g_strconcat (name, ";1", NULL);
        g_assert_cmpuint (at[0] % 2, ==, 0);
        if (strcmp (found, wanted) == 0)
            return g_strndup ((const char *)data + (gsize)little (at + 2) * 2048, little (at + 10));
    }
    return NULL;
}

static void
test_iso (void)
{
    g_autofree char *large = g_strnfill (2049, 'x'), *whole = g_strnfill (2048, 'y');
    const IsoFile files[] = {{"empty", ""}, {"large", large}, {"meta-data", "one\n"}, {"whole", whole}};
    g_autoptr (GBytes) image = iso_image_new ("cidata", files, G_N_ELEMENTS (files));
    g_assert_cmpuint (g_bytes_get_size (image), ==, (21 + 0 + 2 + 1 + 1) * 2048);
    for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
        g_autofree char *text = iso_read (image, files[i].name);
        g_assert_cmpstr (text, ==, files[i].text);
    }
    g_autofree char *none = iso_read (image, "other");
    g_assert_null (none);
}

static void
test_probe_is_a_client_under_rules (void)
{
    g_autoptr (Spec) spec = make_spec (NULL, NULL);
    g_autoptr (WireMember) member = wire_member_parse (spec->document, NULL);
    g_assert_cmpuint (member->nics->len, ==, 3);
    const WireNic *in = member->nics->pdata[1], *probe = member->nics->pdata[2];
    g_assert_true (probe->probe);
    g_assert_cmpstr (probe->bridge, ==, in->bridge);
    g_assert_cmpstr (probe->tap, !=, in->tap);
    g_assert_cmpmem (probe->tap, 11, in->tap, 11); /* goes with the member's other taps */
    g_autoptr (GString) theirs = g_string_new (NULL);
    g_autoptr (GString) own = g_string_new (NULL);
    wire_rules_nic (theirs, in, 0, TRUE);
    wire_rules_nic (own, probe, 0, TRUE);
    /* The member may answer it from the input's port, and not begin anything; it may ask that member on that
     * port. */
    has (theirs->str, "100.64.1.255 } ip saddr 100.64.0.5 tcp sport { 80 } tcp flags & (syn|ack) != syn");
    has (own->str, "02:00:00:00:00:01 . 100.64.0.5 } ip saddr 100.64.1.255 tcp dport { 80 }");
    has (own->str, "ether saddr != 02:");
    g_assert_null (strstr (own->str, "3306"));
    /* A managed member has none. */
    json_object_del (spec->document, "unmanaged");
    g_autoptr (WireMember) managed = wire_member_parse (spec->document, NULL);
    g_assert_cmpuint (managed->nics->len, ==, 2);
}

static const ProbeEnds ends = {{{2, 1, 1, 1, 1, 1}}, {{2, 2, 2, 2, 2, 2}}, 0x644000ff, 0x64400005};
static const ProbeEnds back = {{{2, 2, 2, 2, 2, 2}}, {{2, 1, 1, 1, 1, 1}}, 0x64400005, 0x644000ff};
static const ProbeAsked asked = {50000, 80, 0x01020304};

/* What the other side would send, made by turning ours round. */
static gsize
reply (guint8 *frame, guint8 flags, guint32 acknowledged)
{
    const ProbeAsked turned = {80, 50000, 77};
    gsize length = probe_frame_syn (frame, &back, &turned);
    guint32 value = GUINT32_TO_BE (acknowledged);
    frame[14 + 20 + 13] = flags;
    memcpy (frame + 14 + 20 + 8, &value, 4);
    return length;
}

static void
test_frames (void)
{
    guint8 frame[PROBE_FRAME_BYTES];
    gsize length = probe_frame_who_has (frame, &back);
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_WHO_HAS);
    length = probe_frame_here (frame, &back);
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_HERE);
    length = reply (frame, 0x12, asked.sequence + 1);
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_OPEN);
    for (gsize cut = 0; cut < length; cut++)
        g_assert_cmpint (probe_frame_read (frame, cut, &ends, &asked), ==, PROBE_NOTHING);
    length = reply (frame, 0x14, asked.sequence + 1);
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_CLOSED);
    length = reply (frame, 0x12, asked.sequence);
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_NOTHING);
    length = reply (frame, 0x12, asked.sequence + 1);
    frame[6 + 5] ^= 1; /* somebody else's MAC */
    g_assert_cmpint (probe_frame_read (frame, length, &ends, &asked), ==, PROBE_NOTHING);
    /* Checksums, as a kernel sums them: all words of a right header give 0xffff. */
    length = probe_frame_syn (frame, &ends, &asked);
    guint32 sum = 0;
    for (guint i = 14; i < 34; i += 2)
        sum += (guint32)(frame[i] << 8 | frame[i + 1]);
    g_assert_cmpuint ((sum & 0xffff) + (sum >> 16), ==, 0xffff);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/unmanaged/seed-says-name-addresses-and-key", test_seed);
    g_test_add_func ("/unmanaged/seed-is-an-iso-9660", test_iso);
    g_test_add_func ("/unmanaged/probe-is-a-client-under-rules", test_probe_is_a_client_under_rules);
    g_test_add_func ("/unmanaged/frames", test_frames);
    return g_test_run ();
}
