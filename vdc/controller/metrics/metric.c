#include "vdc/controller/metrics/metric.h"

#include <math.h>

#define MICRO 1e6

static const struct {
    const char *name;
    Metric metrics[METRICS_MAX + 1];
} kinds[METRIC_N_KINDS] = {
    [METRIC_INSTANCE] = {"instance",
                         {{"cpu", "cores", "CPU time used, 1 is one core all the time"},
                          {"memory", "bytes", "memory of its VM on the server"},
                          {"received", "bytes/s", "by all its terminals"},
                          {"sent", "bytes/s", "by all its terminals"},
                          {"dropped", "packets/s", "that it sent and no wire allows"}}},
    [METRIC_WIRE] = {"wire",
                     {{"traffic", "bytes/s", "both ways, all members of its client's tier"},
                      {"packets", "packets/s", "both ways"}}},
    [METRIC_GUEST] = {"guest",
                      {{"value", "", "as the appliance counts it"}, {"rate", "1/s", "how fast it grows"}}},
    [METRIC_VOLUME] = {"volume",
                       {{"read", "bytes/s", "by its VM"},
                        {"written", "bytes/s", "by its VM"},
                        {"reads", "requests/s", "by its VM"},
                        {"writes", "requests/s", "by its VM"},
                        {"used", "bytes", "on the server's disk"}}},
    [METRIC_SERVER] = {"server",
                       {{"cpu", "cores", "CPU time used by everything on it"},
                        {"load", "", "processes that run or wait for the CPU, over one minute"},
                        {"memory_used", "bytes", "not available to new processes"},
                        {"disk_used", "bytes", "of the file system of the agent's folder"},
                        {"instances", "", "members it reports"}}},
};

const char *
metric_kind_name (MetricKind kind)
{
    return kinds[kind].name;
}

const Metric *
metric_list (MetricKind kind)
{
    return kinds[kind].metrics;
}

guint
metric_count (MetricKind kind)
{
    guint count = 0;
    while (kinds[kind].metrics[count].name != NULL)
        count++;
    return count;
}

void
metric_clear (double *values)
{
    for (guint i = 0; i < METRICS_MAX; i++)
        values[i] = NAN;
}

static double
rate (double now, double before, double seconds)
{
    return seconds > 0 && seconds <= METRIC_GAP_S && now >= before ? (now - before) / seconds : NAN;
}

static double
number (const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);
    return json_is_number (value) ? json_number_value (value) : NAN;
}

double
metric_rate (const json_t *now, const json_t *before, const char *key, double seconds)
{
    return rate (number (now, key), number (before, key), seconds);
}

/* The sum over all terminals, of those that are known. */
static double
nic_rate (const json_t *counters, const json_t *before, const char *key, double seconds)
{
    double sum = NAN;
    const char *terminal;
    json_t *nic;
    json_object_foreach (json_object_get (counters, "nics"), terminal, nic) {
        double one =
            metric_rate (nic, json_object_get (json_object_get (before, "nics"), terminal), key, seconds);
        if (!isnan (one))
            sum = isnan (sum) ? one : sum + one;
    }
    return sum;
}

void
metric_of_instance (const json_t *counters, const json_t *before, double seconds, double *values)
{
    metric_clear (values);
    values[0] = metric_rate (counters, before, "cpu_us", seconds) / MICRO;
    values[1] = number (counters, "memory_bytes");
    values[2] = nic_rate (counters, before, "rx_bytes", seconds);
    values[3] = nic_rate (counters, before, "tx_bytes", seconds);
    values[4] = nic_rate (counters, before, "dropped", seconds);
}

static void
add (double *sum, double value)
{
    if (!isnan (value))
        *sum = isnan (*sum) ? value : *sum + value;
}

void
metric_add_wire (const json_t *wire, const json_t *before, double seconds, double *values)
{
    add (&values[0], metric_rate (wire, before, "bytes", seconds));
    add (&values[1], metric_rate (wire, before, "packets", seconds));
}

void
metric_of_guest (const json_t *value, const json_t *before, double seconds, double *values)
{
    metric_clear (values);
    if (!json_is_number (value))
        return;
    values[0] = json_number_value (value);
    if (json_is_number (before))
        values[1] = rate (values[0], json_number_value (before), seconds);
}

void
metric_of_volume (const json_t *counters, const json_t *before, double seconds, double *values)
{
    metric_clear (values);
    values[0] = metric_rate (counters, before, "read_bytes", seconds);
    values[1] = metric_rate (counters, before, "written_bytes", seconds);
    values[2] = metric_rate (counters, before, "reads", seconds);
    values[3] = metric_rate (counters, before, "writes", seconds);
    values[4] = number (counters, "used_bytes");
}

void
metric_of_server (const json_t *info, const json_t *before, double seconds, double *values)
{
    metric_clear (values);
    values[0] = metric_rate (info, before, "cpu_us", seconds) / MICRO;
    values[1] = number (info, "load");
    values[2] = number (info, "memory_bytes") - number (info, "memory_free_bytes");
    values[3] = number (info, "disk_bytes") - number (info, "disk_free_bytes");
}

json_t *
metric_json (MetricKind kind, const double *values)
{
    json_t *object = json_object ();
    const Metric *metrics = metric_list (kind);
    for (guint i = 0; metrics[i].name != NULL; i++)
        json_put (object, metrics[i].name, isnan (values[i]) ? json_null () : json_real (values[i]));
    return object;
}
