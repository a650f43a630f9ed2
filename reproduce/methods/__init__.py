"""The methods, one file for each way to run one."""
