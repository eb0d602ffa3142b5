"""The command line `ant`: words and layout. Whatever it decides, `ant_wif` has decided. PYTEST_DONT_REWRITE"""
