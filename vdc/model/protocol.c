#include "vdc/model/protocol.h"

#include <string.h>

#define TCP(port)                                                                                            \
    {                                                                                                        \
        "tcp", port, port                                                                                    \
    }
#define UDP(port)                                                                                            \
    {                                                                                                        \
        "udp", port, port                                                                                    \
    }

static const Protocol protocols[] = {
    {"any", TRUE, 0, {{NULL}}},
    {"amqp", FALSE, 1, {TCP (5672)}},
    {"dns", FALSE, 2, {UDP (53), TCP (53)}},
    {"http", FALSE, 1, {TCP (80)}},
    {"https", FALSE, 1, {TCP (443)}},
    {"imap", FALSE, 1, {TCP (143)}},
    {"imaps", FALSE, 1, {TCP (993)}},
    {"ldap", FALSE, 1, {TCP (389)}},
    {"ldaps", FALSE, 1, {TCP (636)}},
    {"memcached", FALSE, 1, {TCP (11211)}},
    {"mongodb", FALSE, 1, {TCP (27017)}},
    {"mqtt", FALSE, 1, {TCP (1883)}},
    {"mysql", FALSE, 1, {TCP (3306)}},
    {"nfs", FALSE, 1, {TCP (2049)}},
    {"ntp", FALSE, 1, {UDP (123)}},
    {"pgsql", FALSE, 1, {TCP (5432)}},
    {"pop3", FALSE, 1, {TCP (110)}},
    {"redis", FALSE, 1, {TCP (6379)}},
    {"smb", FALSE, 1, {TCP (445)}},
    {"smtp", FALSE, 1, {TCP (25)}},
    {"snmp", FALSE, 1, {UDP (161)}},
    {"ssh", FALSE, 1, {TCP (22)}},
    {"submission", FALSE, 1, {TCP (587)}},
    {"syslog", FALSE, 2, {UDP (514), TCP (514)}},
};

const Protocol *
protocol_get (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (protocols); i++)
        if (strcmp (protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}

const char *const *
protocol_names (void)
{
    static const char *names[G_N_ELEMENTS (protocols) + 1];
    static gsize once;

    if (g_once_init_enter (&once)) {
        for (gsize i = 0; i < G_N_ELEMENTS (protocols); i++)
            names[i] = protocols[i].name;
        g_once_init_leave (&once, 1);
    }
    return names;
}

const Protocol *
protocol_narrower (const Protocol *a, const Protocol *b)
{
    if (a == b || b->any)
        return a;
    return a->any ? b : NULL;
}

json_t *
protocol_ports_json (const Protocol *protocol)
{
    json_t *list = json_array ();

    for (guint i = 0; i < protocol->n_ports; i++) {
        const ProtocolPort *port = &protocol->ports[i];
        json_array_append_new (list, json_pack ("{s:s, s:i, s:i}", "proto", port->proto, "from",
                                                (int)port->from, "to", (int)port->to));
    }
    return list;
}
