[ -r /run/vdc/env ] && . /run/vdc/env
PS1="$VDC_APPLICATION:$VDC_MEMBER:\w# "
